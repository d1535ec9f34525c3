"""Problems by name: published ones, and a user's own, as tasks of the harness."""
