"""Registers tasks and their credentials: for token services, agents and jobs.

```python
from detector.register import Task

with Task("agent/42", kind="agent", owner="research", deadline="15m", to="https://curfewd.example/events") as task:
    task.credential(token, kind="github-token", grants=[{"actions": ["git.push"], "resources": ["acme/shop"]}])
    ...
```

Importing this loads the standard library only. docs/exec.md has more.
"""

from detector.register.task import Task

__all__ = ["Task"]
