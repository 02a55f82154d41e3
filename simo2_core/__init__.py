"""SIMO2: supervised contrastive pretraining of image encoders, on JAX and Flax NNX."""
