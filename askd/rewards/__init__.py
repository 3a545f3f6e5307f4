"""Rewards: graders of responses, and the projection of rewards to skewness."""
