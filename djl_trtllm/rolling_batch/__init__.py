"""The rolling-batch loop between DJL's steps and an engine: receive, admit, step, emit."""
