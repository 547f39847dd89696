"""The whole backbone in one folder: embedded servers, first keys, and every part as a process."""
