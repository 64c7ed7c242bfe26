# The board ring alone, as a container on the board (aarch64): numpy, OpenCV and edgekit's runtime.
#   docker build -f docker/board.Dockerfile -t edgekit-runtime .
#   docker run --rm --privileged -v /opt/hobot:/opt/hobot:ro -v "$PWD:/data" edgekit-runtime run --model bundle --source 0
# The board's library (hobot_dnn or hbm_runtime) belongs to its system image and is mounted or installed there.
FROM python:3.10-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip install --no-cache-dir "numpy==1.26.*" /src && rm -rf /src
WORKDIR /data
ENTRYPOINT ["edgekit"]
CMD ["--help"]
