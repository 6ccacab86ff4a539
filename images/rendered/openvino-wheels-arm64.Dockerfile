# Generated from images/Dockerfile.j2 by `invoke generate`, do not edit.
# OpenVINO, CPU plugin (oneDNN; on arm64 with the Arm Compute Library).
# The wheels of images/locks/openvino-arm64.txt, unpacked on the host.
# No RUN: nothing of arm64 is executed and nothing is fetched while this builds.
ARG BASE=edgequant/base:arm64
FROM ${BASE}
# One archive: 3 times faster than COPY of its 5,000 to 30,000 files, and it keeps their dates.
ADD site.tar /
ENV PYTHONPATH=/opt/site:/opt/edgequant \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    USER=bench \
    LANG=C.UTF-8
