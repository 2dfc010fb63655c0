"""Networks that name the body part of an X-ray, written anew."""
