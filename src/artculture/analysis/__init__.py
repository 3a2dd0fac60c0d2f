"""Analysis of a trained model: saliency, distances between cultures, performance and embeddings."""
