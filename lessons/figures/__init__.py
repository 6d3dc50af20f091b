"""The figures of each lesson, in a module of its own: functions from numbers to a `Picture`."""
