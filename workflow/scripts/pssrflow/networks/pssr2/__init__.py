"""The networks of PSSR2, written anew with its parameter names, so that its weights load."""
