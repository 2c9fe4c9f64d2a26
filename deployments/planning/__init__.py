"""What a deployment would do, found out by looking only; and starting one only while that still holds."""

from deployments.planning.applying import deploy_planned
from deployments.planning.making import plan
from deployments.planning.shapes import Cost, Duration, Finding, Item, Plan, Value

__all__ = ["Cost", "Duration", "Finding", "Item", "Plan", "Value", "deploy_planned", "plan"]
