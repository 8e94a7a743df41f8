"""What the app's pages show; the rules behind them are in the modules one level up."""
