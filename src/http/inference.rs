//! Open Inference Protocol and `/models/{m}/invocations`.
