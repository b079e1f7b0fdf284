"""Traces for AI agents: a server of the Model Context Protocol, and a skill."""
