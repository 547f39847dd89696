-- What a reason or a basis is more exactly: deceased, merge_pending, parent.
ALTER TABLE access_log_v1.decision ADD COLUMN detail text;
