"""What a person sees of jobs, devices and queues: each draws the facts it is given, as HTML and as plain text, and fetches nothing."""
