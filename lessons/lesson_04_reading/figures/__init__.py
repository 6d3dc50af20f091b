"""The figures of lesson 04, a module for each instrument, under the name of its explorer.

Distances are cosine distances or lengths of differences; shares are shares of one, and per cent in the figures.
"""
