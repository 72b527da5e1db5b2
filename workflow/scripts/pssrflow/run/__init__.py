"""Around a job: where files lie, locks, memory, devices; never part of a result's hash."""
