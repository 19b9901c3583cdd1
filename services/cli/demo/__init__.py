"""`tasuki demo`: the sample company through the whole stack, measured from outside and checked to the last event."""
