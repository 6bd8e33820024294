"""History read from files: what `curfewd replay` and the commands around it do."""
