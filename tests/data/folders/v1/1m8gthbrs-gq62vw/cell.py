y = x * x
if x == 2:
    raise ValueError('two')
