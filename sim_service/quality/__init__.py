"""Whether a dataset is worth training on: gates that pass or fail, and the figures behind them."""
