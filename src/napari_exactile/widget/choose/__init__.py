"""What a person chooses: image, model, tiles, region, output; and the plan that follows. Runs nothing."""
