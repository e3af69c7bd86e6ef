"""What every technique stands on: tokens, the parts of a model, a forward pass, and the way to a logit."""
