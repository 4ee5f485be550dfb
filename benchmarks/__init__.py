"""What the figures in the documents are measured with; nothing here is imported by Cifra."""
