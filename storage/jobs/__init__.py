"""Background work: a queue of jobs in the database, and the tasks that users follow.

`queue` claims and finishes jobs for `pacs.jobs.worker`, `wakeups` waits for the next one, `listing` shows
them to administrators. `tasks` are jobs with visible progress. `settle` and `scheduled` are the archive's own
jobs: the end of a study's arrival, and the regular verification of the audit trail.
"""
