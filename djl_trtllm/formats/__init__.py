"""Response formats: one module each, one small interface (`base.Response`, `base.Writer`), by name in `registry`."""
