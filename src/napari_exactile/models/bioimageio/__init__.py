"""Models in packages of bioimage.io. Knows the formats of weights, not what runs them."""
