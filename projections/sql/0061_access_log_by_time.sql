-- The surveillance of use asks for a period, over all subjects.
CREATE INDEX decision_of_time ON access_log_v1.decision (decided_at);
