"""What tiling would get wrong, and how good labels are. Knows runs, not the dock."""
