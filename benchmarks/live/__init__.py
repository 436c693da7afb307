"""The live path measured whole: a real server process, a real clip, a client that sends and takes in video."""
