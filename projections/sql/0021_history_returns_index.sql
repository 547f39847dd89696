-- The planner took the index of all of a person's lines instead: it prices every value of a list as a
-- search of its own. An index of returns alone is nearly empty, so it need not hold what they name.
DROP INDEX history_v1.dispensation_of_return;
CREATE INDEX dispensation_that_returns ON history_v1.dispensation (subject)
    WHERE returns_index IS NOT NULL;
