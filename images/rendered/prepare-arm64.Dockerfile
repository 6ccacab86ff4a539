# Generated from images/Dockerfile.j2 by `invoke generate`, do not edit.
# Converters and quantizers: makes every artifact, measures nothing.
# The bench on top of the wheels: a change of the bench is one small layer.
ARG WHEELS=edgequant/prepare-wheels:arm64
FROM ${WHEELS}
ADD bench.tar /
USER 1000:1000
# -s -S: only PYTHONPATH, never packages of the base or of a user
ENTRYPOINT ["python3", "-s", "-S", "-m", "bench"]
