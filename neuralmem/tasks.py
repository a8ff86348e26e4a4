"""The worlds of the book. Every draw takes its generator; train and test draws come from separate ones."""


# Sequences: copy, repeat copy, associative recall (chapter 3)


# Digits (chapters 4 to 6)


# Sinusoids (chapter 5)


# Function streams: the four tasks of the demo (chapters 0 and 6)


# A dynamic environment: cue-value recall whose coding changes (chapter 6)
