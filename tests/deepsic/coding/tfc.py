"""tensorflow-compression's range coder, to compare with; None where it is not installed."""

try:
    import tensorflow_compression as tfc

    from deepsic.runtimes.tfc import TFCCoder
except ImportError:
    TFC = None
else:
    TFC = TFCCoder(tfc)
