"""`dpp bench scaling`: two processes of a stage against one, and what a rebalance costs."""
