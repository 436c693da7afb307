"""The viewer's own machine: a session's edit as a virtual camera. Loads no model, asks a server only for WHEP."""
