# Generated from images/Dockerfile.j2 by `invoke generate`, do not edit.
# OpenVINO, CPU plugin (oneDNN; on arm64 with the Arm Compute Library).
# The bench on top of the wheels: a change of the bench is one small layer.
ARG WHEELS=edgequant/openvino-wheels:arm64
FROM ${WHEELS}
ADD bench.tar /
USER 1000:1000
# -s -S: only PYTHONPATH, never packages of the base or of a user
ENTRYPOINT ["python3", "-s", "-S", "-m", "bench"]
