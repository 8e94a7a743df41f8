"""placeholder until calibration lands"""


def finish(*args):
    raise SystemExit("finish: not yet")
