"""Measurements that papers share: functions of arrays and tensors, nothing registered."""
