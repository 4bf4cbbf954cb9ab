"""`isaac-collect doctor`: every assumption about this machine and its simulator, looked at one by one."""
