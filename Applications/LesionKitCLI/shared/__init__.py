"""What commands share: options, the parser, the console, inputs."""
