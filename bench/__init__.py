"""Measurements of speed, as ratios against baselines that run beside them."""
