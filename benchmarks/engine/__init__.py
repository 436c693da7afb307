"""What a frame costs by model, size, batch, evaluations, compiler and codec, beside diffusers' own pipeline."""
