"""Pure folds: an event becomes row changes, or the next state of a table kept in memory."""
