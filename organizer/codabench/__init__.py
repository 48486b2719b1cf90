"""Run a competition on a Codabench server through its REST API: upload, open, watch, close."""
