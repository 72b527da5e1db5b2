"""Model packages of bioimage.io: a network with all that others need to use it, as one file."""
