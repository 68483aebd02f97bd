"""Photographs through a shipped model and back; called by `make demo`.

Everything it does is a command that you can type, and it prints each before it
runs it. The results are left in demo/.
"""

import pathlib
import shlex
import subprocess
import sys

OUT = pathlib.Path("demo")


def call(*arguments):
    """Prints a command as one would type it, and runs it."""
    print(f"\n$ python {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, *arguments], check=True)


def main():
    if len(sys.argv) > 1:
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1] in ("-h", "--help") else 2)
    from data.samples import write_samples

    photos = OUT / "photos"
    write_samples(photos)
    print(f"Photographs of scikit-image and scikit-learn are in {photos}/.")
    call("compress.py", str(photos), str(OUT / "compressed"), "--semantic_topk=1", "--overwrite")
    call("decompress.py", str(OUT / "compressed" / "coffee.dsic"), "--semantics_only")
    call("decompress.py", str(OUT / "compressed"), str(OUT / "decoded"), "--overwrite")
    call(
        "evaluate.py",
        f"--images={photos}/*.png",
        "--models=all",
        "--references=jpeg420,jpeg2000,webp",
        f"--out={OUT / 'results'}",
    )
    print(f"\nLook at {OUT / 'results' / 'report.html'} in a browser.")


if __name__ == "__main__":
    main()
