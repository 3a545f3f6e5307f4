"""Tasks: where prompts, references and worked answers come from."""
