"""Measurements of speed, size and cost, as ratios against baselines that run beside them."""
