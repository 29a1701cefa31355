"""ngage-studio: live video in, media messages out to the edges.

cli     arguments, exit codes
run     sources, links and the report of one run
sources what a source is, and how its address picks one
rtmp    OBS and the like as a source
ffmpeg  whatever FFmpeg reads as a source
carried what both have in common: units to parts
advice  what in their settings costs time
link    keeps one edge supplied
report  delay by stage, and what was dropped
clock   the same for the edges
"""
