# edgekit on a computer: calibrate, compile (simulated), run, evaluate, tune.
#   docker build -f docker/host.Dockerfile -t edgekit .
#   docker run --rm -v "$PWD:/data" edgekit calibrate --model model.onnx --images images -o work
# The vendor's toolchain is proprietary and never inside; with --build-arg and a mounted volume it can be installed at
# run time: docker run -v edgekit-toolchain:/toolchain -e XDG_DATA_HOME=/toolchain edgekit toolchain install --yes
FROM python:3.10-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip install --no-cache-dir "/src[host,tune]" && rm -rf /src
WORKDIR /data
ENTRYPOINT ["edgekit"]
CMD ["--help"]
