"""Ask a trained run about images: answers with their probabilities, with and without the image.

images.py sees images through the encoder of the run's features, questions.py reads what a user asks, asker.py answers.
"""
