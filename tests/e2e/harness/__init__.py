"""What the end-to-end tests are made of: the real binary, strict fakes of its peers, and viewers.

Nothing here sleeps to let something happen: it waits for a condition with a deadline (`waiting`).
"""
