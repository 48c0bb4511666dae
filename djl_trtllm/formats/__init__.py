"""Response formats: one module each, one small interface (`base.Writer`), chosen by name in `registry`."""
